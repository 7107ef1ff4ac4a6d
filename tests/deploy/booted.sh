#!/bin/bash
# Runs on the booted clean machine, as root: node and dashboard under the real systemd. Leaves what it saw in /root.
exec >/root/check.log 2>&1
set -x
cd /root || exit
touch booted

# Skipped while nobody has named broker and camera.
systemctl start ffe-edge
systemctl show -p ActiveState,Result ffe-edge >unconfigured

sed -i 's|^#url = .*|url = "mqtt://127.0.0.1:1883"|; s|^#source = .*|source = "demo:"|' /etc/ffe-edge/ffe.toml
install -d /etc/systemd/system/ffe-edge.service.d
cat >/etc/systemd/system/ffe-edge.service.d/test.conf <<'END'
[Service]
WatchdogSec=6
RestartSec=1
ExecStartPre=/usr/bin/python3 /usr/local/lib/sandbox.py /var/lib/ffe-edge/sandbox.json
END
systemctl daemon-reload
systemctl start mosquitto
timeout 60 mosquitto_sub -h 127.0.0.1 -W 60 -v -t 'ffe/v1/#' >messages &
systemctl start ffe-edge && echo yes >started
pid=$(systemctl show -p MainPID --value ffe-edge)
grep -E '^(CapBnd|NoNewPrivs|Seccomp|Groups):' "/proc/$pid/status" >process
stat -c '%U %a %n' /run/credentials/ffe-edge.service/* >credentials
for _ in $(seq 100); do grep -q '/emotion ' messages && break; sleep 0.5; done
systemctl reload ffe-edge && echo yes >reloaded
for _ in $(seq 60); do [ "$(systemctl show -p ActiveState --value ffe-edge)" = active ] && break; sleep 0.5; done
for _ in $(seq 20); do systemctl show -p StatusText ffe-edge | grep -q 'broker connected' && break; sleep 0.5; done
systemctl show -p ActiveState,StatusText ffe-edge >running
ffe-edge-node doctor --json >doctor.json

# A daemon that hangs is killed by the watchdog, and comes again.
kill -STOP "$pid"
for _ in $(seq 100); do
    [ "$(systemctl show -p NRestarts --value ffe-edge)" -ge 1 ] && systemctl -q is-active ffe-edge && break
    sleep 0.5
done
systemctl show -p ActiveState,NRestarts ffe-edge >restarted
before=$(date +%s%N)
systemctl stop ffe-edge
echo $((($(date +%s%N) - before) / 1000000)) >stop_milliseconds
systemctl show -p ActiveState,Result ffe-edge >stopped
journalctl --namespace=ffe-edge -u ffe-edge --no-pager -o cat >node.log
journalctl -u ffe-edge --no-pager -o cat | grep -c ffe_edge >lines_in_the_systems_log

sed -i 's|^#url = "mqtts://127.*|url = "mqtt://127.0.0.1:1883"|' /etc/ffe-edge/dashboard.toml
systemctl start ffe-dashboard
for _ in $(seq 60); do
    python3 -c 'import urllib.request as u; print(u.urlopen("http://127.0.0.1:8080/healthz").read().decode())' \
        >healthz 2>/dev/null && break
    sleep 0.5
done
systemctl stop ffe-dashboard
systemctl show -p ActiveState,Result ffe-dashboard >dashboard
stat -c '%U %a' /var/lib/ffe-dashboard/dashboard.sqlite >>dashboard
rm -r /etc/systemd/system/ffe-edge.service.d /usr/local/lib/sandbox.py
touch done
