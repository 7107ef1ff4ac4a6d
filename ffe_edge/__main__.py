"""`python -m ffe_edge` is `ffe-edge`."""

from ffe_edge.cli import main

main()
