"""The dashboard on the web: who may see what, the interface for programs, the stream of news."""
