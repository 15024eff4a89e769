"""The page's style: one sheet for light and dark, wide and narrow, screen and paper."""

STYLE = """
:root { color-scheme: light dark;
  --ground: #ffffff; --panel: #f6f7f9; --text: #1b1f24; --faint: #5b6573; --line: #d9dde3; --grid: #e8ebef;
  --one: #0072b2; --two: #d55e00; --three: #009e73; --four: #cc79a7; --five: #e69f00;
  --good: #00745a; --warn: #9a5b00; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #14171b; --panel: #1c2026; --text: #e6e9ee; --faint: #9aa5b3; --line: #353c46; --grid: #262c34;
  --one: #56b4e9; --two: #f0894a; --three: #3cc79b; --four: #e3a3c6; --five: #f2c14e;
  --good: #4fd0a5; --warn: #f0b24e; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); line-height: 1.5;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 70rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; padding-top: 1rem; border-top: 1px solid var(--line); }
h3 { font-size: .95rem; margin: 1rem 0 .25rem; font-weight: 600; }
p { margin: .25rem 0 .75rem; max-width: 46rem; }
.faint, .remark, figcaption { color: var(--faint); font-size: .875rem; }
.note { padding: .75rem 1rem; border-left: .3rem solid var(--line); background: var(--panel); border-radius: .25rem;
  max-width: none; margin: 1rem 0; overflow-wrap: anywhere; }
.note.good { border-color: var(--good); } .note.warn { border-color: var(--warn); } .note.bad { border-color: var(--bad); }
.good .word, td.good { color: var(--good); } .warn .word, td.warn { color: var(--warn); } .bad .word, td.bad { color: var(--bad); }
.word { font-weight: 600; }
.scroll { overflow-x: auto; margin: .5rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; min-width: 30rem; }
th, td { text-align: right; padding: .3rem .75rem; border-bottom: 1px solid var(--grid); white-space: nowrap; vertical-align: top; }
th { font-weight: 600; color: var(--faint); border-bottom-color: var(--line); }
th.text, td.text { text-align: left; white-space: normal; }
td.text:first-child, th.text:first-child { padding-left: 0; white-space: nowrap; }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .35rem 1.25rem; margin: .5rem 0; font-size: .9rem; }
dt { color: var(--faint); } dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
figure { margin: 1rem 0; max-width: 50rem; } .plots { display: grid; gap: 1rem 2rem; grid-template-columns: repeat(auto-fit, minmax(19rem, 1fr)); }
svg { display: block; width: 100%; height: auto; } svg text { fill: var(--faint); font-size: 12px; font-family: inherit; }
svg .label { fill: var(--text); } .axis { stroke: var(--line); } .grid { stroke: var(--grid); }
.s1 { stroke: var(--one); } .s2 { stroke: var(--two); } .s3 { stroke: var(--three); } .s4 { stroke: var(--four); } .s5 { stroke: var(--five); }
.f1 { fill: var(--one); } .f2 { fill: var(--two); } .f3 { fill: var(--three); } .f4 { fill: var(--four); } .f5 { fill: var(--five); }
.band { fill: var(--three); fill-opacity: .12; }
.curve { fill: none; stroke-width: 2; } .dashed { stroke-dasharray: 5 4; } .dot { fill-opacity: .55; }
.key { display: inline-block; width: .75rem; height: .75rem; border-radius: .15rem; margin: 0 .35rem 0 1rem; vertical-align: -.05rem; }
.k1 { background: var(--one); } .k2 { background: var(--two); } .k3 { background: var(--three); } .k4 { background: var(--four); } .k5 { background: var(--five); }
details.def { display: inline-block; } details.def summary { cursor: help; list-style: none; text-decoration: underline dotted var(--faint); text-underline-offset: .2rem; }
details.def summary::-webkit-details-marker { display: none; }
details.def[open] p { white-space: normal; width: min(20rem, 70vw); color: var(--faint); font-size: .8rem; margin: .2rem 0; text-align: left; }
code { font: .85em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
:focus-visible { outline: 2px solid var(--one); outline-offset: 2px; }
@media (max-width: 34rem) { svg text { font-size: 17px; } .plots svg text { font-size: 13px; } main { padding: 1rem .75rem 3rem; } dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .5rem; } }
@media print { body { font-size: 11pt; } .scroll { overflow: visible; } h2 { break-after: avoid; } figure, tr { break-inside: avoid; } }
"""
