/* A driver of ordinary memory: the calls that pycuda makes for ffe_edge.engine.cuda_memory, with CUDA's rules.
 *
 * Memory belongs to a context, and every call needs one that is current in its thread. Copies queue on the stream and are
 * made when it is waited for. What the GPU owns is out of the processor's reach only by convention: a device address is
 * that of other memory than the host's, unless the allocation is mapped.
 * Signatures are those of cuda.h, CUDA 13.0.
 */
#include <stdlib.h>
#include <string.h>

#define OK 0
#define INVALID_VALUE 1
#define OUT_OF_MEMORY 2
#define INVALID_CONTEXT 201
#define INTEGRATED 18
#define DEVICEMAP 2

typedef void (*work_t)(void);
struct job { void *to; const void *from; size_t size; work_t work; };

static struct job queue[256];
static int queued;
static __thread long stack[8];
static __thread int depth;
static long contexts;
static int mapped, live_memory, live_contexts, live_streams, misuse;

int fake_live(void) { return live_memory + live_contexts + live_streams; }
int fake_misuse(void) { return misuse; }
int fake_depth(void) { return depth; }
int fake_enqueue(work_t work) { queue[queued++] = (struct job){0, 0, 0, work}; return OK; }

static int in_context(void) { if (!depth) misuse++; return depth > 0; }
static int take(void **place, size_t size) {
    if (!in_context()) return INVALID_CONTEXT;
    if (size > (size_t)1 << 30) return OUT_OF_MEMORY;
    live_memory++;
    return (*place = malloc(size)) ? OK : OUT_OF_MEMORY;
}
static int give(void *place) {
    if (!in_context()) return INVALID_CONTEXT;
    live_memory--;
    free(place);
    return OK;
}
static int copy(void *to, const void *from, size_t size) {
    if (!in_context()) return INVALID_CONTEXT;
    queue[queued++] = (struct job){to, from, size, 0};
    return OK;
}

int cuInit(unsigned flags) { return flags ? INVALID_VALUE : OK; }
int cuDriverGetVersion(int *version) { *version = 13000; return OK; }
int cuGetErrorString(int code, const char **text) { *text = code == 2 ? "out of memory" : "an error"; return OK; }
int cuDeviceGetCount(int *count) { *count = 1; return OK; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return ordinal ? INVALID_VALUE : OK; }
int cuDeviceGetName(char *name, int size, int device) { (void)device; strncpy(name, "Fake Orin", size); return OK; }
int cuDeviceComputeCapability(int *major, int *minor, int device) { (void)device; *major = 8; *minor = 7; return OK; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    (void)device;
    *value = attribute == INTEGRATED && getenv("FAKE_INTEGRATED");
    return OK;
}

int cuCtxCreate_v4(long *context, void *parameters, unsigned flags, int device) {
    (void)parameters; (void)device;
    mapped = (flags & 8) != 0; /* CU_CTX_MAP_HOST */
    live_contexts++;
    *context = stack[depth++] = ++contexts;
    return OK;
}
int cuCtxPushCurrent_v2(long context) { stack[depth++] = context; return OK; }
int cuCtxPopCurrent_v2(long *context) {
    if (!depth) { misuse++; return INVALID_CONTEXT; }
    *context = stack[--depth];
    return OK;
}
int cuCtxDetach(long context) {
    if (!depth || stack[depth - 1] != context) { misuse++; return INVALID_CONTEXT; }
    depth--;
    live_contexts--;
    return OK;
}

int cuStreamCreate(void **stream, unsigned flags) {
    (void)flags;
    if (!in_context()) return INVALID_CONTEXT;
    live_streams++;
    *stream = (void *)0x51;
    return OK;
}
int cuStreamDestroy_v2(void *stream) { (void)stream; if (!in_context()) return INVALID_CONTEXT; live_streams--; return OK; }
int cuStreamSynchronize(void *stream) {
    (void)stream;
    if (!in_context()) return INVALID_CONTEXT;
    for (int at = 0; at < queued; at++) {
        if (queue[at].work) queue[at].work();
        else memcpy(queue[at].to, queue[at].from, queue[at].size);
    }
    queued = 0;
    return OK;
}

int cuMemHostAlloc(void **place, size_t size, unsigned flags) {
    if ((flags & DEVICEMAP) && !mapped) return INVALID_VALUE;
    return take(place, size);
}
int cuMemHostGetDevicePointer_v2(void **device, void *host, unsigned flags) { (void)flags; *device = host; return OK; }
int cuMemFreeHost(void *place) { return give(place); }
int cuMemAlloc_v2(void **place, size_t size) { return take(place, size); }
int cuMemFree_v2(void *place) { return give(place); }
int cuMemcpyHtoDAsync_v2(void *to, const void *from, size_t size, void *s) { (void)s; return copy(to, from, size); }
int cuMemcpyDtoHAsync_v2(void *to, void *from, size_t size, void *s) { (void)s; return copy(to, from, size); }
