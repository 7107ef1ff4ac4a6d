"""How a report looks on a screen and on paper."""

from typing import Final

STYLE: Final = """
:root { --ink: #22262b; --faint: #e3e6ea; --soft: #6a7079; --blue: #0072b2; --orange: #d55e00; }
* { box-sizing: border-box; }
body { color: var(--ink); font: 15px/1.5 system-ui, "Noto Sans", "Noto Sans CJK JP", "Hiragino Sans", sans-serif;
  max-width: 62rem; margin: 0 auto; padding: 2rem 1.5rem 4rem; }
h1 { font-size: 1.7rem; margin: 0; } h2 { font-size: 1.2rem; margin: 2.6rem 0 .6rem; }
p { margin: .4rem 0; max-width: 48rem; } .soft { color: var(--soft); }
.cards { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1.4rem 0; }
.card { flex: 1 1 10rem; border: 1px solid var(--faint); border-top: 3px solid var(--blue); border-radius: 4px;
  padding: .7rem .9rem; } .card b { display: block; font-size: 1.6rem; line-height: 1.25; }
.card.plain { border-top-color: var(--faint); } .card.human { border-top-color: var(--orange); }
.card small { color: var(--soft); display: block; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .28rem .8rem .28rem 0; text-align: right; border-bottom: 1px solid var(--faint);
  white-space: nowrap; }
th { font-weight: 600; } th:first-child, td:first-child { text-align: left; }
td small { color: var(--soft); } tr.sum td { font-weight: 600; border-top: 2px solid var(--ink); }
figure { margin: 1rem 0; } figure img { max-width: 100%; height: auto; }
.pair { display: flex; flex-wrap: wrap; gap: 1rem; }
.pair figure { flex: 1 1 22rem; }
@page { margin: 14mm; }
@media print { body { max-width: none; padding: 0; font-size: 11px; } h2 { break-after: avoid; }
  table, figure, .cards { break-inside: avoid; } .scroll { overflow: visible; } }
"""
