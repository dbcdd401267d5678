"""How the page looks: light and dark as the reader's system is, from 400 pixels on."""

STYLE = """\
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #59636e; --paper: #ffffff; --line: #d9dee3; --panel: #f4f6f8; --hit: #1f8a4c; --miss: #c8442c; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ec; --soft: #9aa4ae; --paper: #14171a; --line: #30363c; --panel: #1c2125; --hit: #3fb573; --miss: #f0735a; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; }
p { color: var(--soft); margin: .25rem 0 .75rem; overflow-wrap: anywhere; }
code { font: .85em/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); gap: .75rem; margin: 1rem 0; }
dl div { background: var(--panel); border-radius: .5rem; padding: .75rem 1rem; }
dt { color: var(--soft); font-size: .85rem; }
dd { margin: 0; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
.notes { color: var(--soft); padding-left: 1.2rem; overflow-wrap: anywhere; }
.wide { overflow: auto; max-height: 34rem; border: 1px solid var(--line); border-radius: .5rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .35rem .75rem; border-bottom: 1px solid var(--line); font-weight: normal; vertical-align: top; }
tbody tr:last-child > * { border-bottom: 0; }
thead th { color: var(--soft); font-size: .85rem; position: sticky; top: 0; background: var(--paper); }
.n { text-align: right; white-space: nowrap; }
td:first-child { overflow-wrap: anywhere; min-width: 7rem; }
.bar { display: inline-block; width: 3.5rem; height: .5rem; margin-right: .6rem; border-radius: .25rem;
  background: linear-gradient(var(--hit), var(--hit)) 0 0 / calc(var(--share) * 100%) 100% no-repeat, var(--line); }
.matrix { width: fit-content; max-width: 100%; }
.matrix table { width: auto; }
.matrix td, .matrix th { padding: .2rem .5rem; text-align: center; min-width: 2.6rem; border: 1px solid var(--line); }
.matrix tbody th { text-align: left; position: sticky; left: 0; background: var(--paper); max-width: 9rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.matrix thead th { vertical-align: bottom; }
.matrix thead span { display: inline-block; max-width: 7rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.hit { background: color-mix(in srgb, var(--hit) calc(12% + var(--share) * 45%), transparent); }
.miss { background: color-mix(in srgb, var(--miss) calc(15% + var(--share) * 60%), transparent); }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(10rem, 1fr)); gap: 1rem; }
figure { margin: 0; background: var(--panel); border-radius: .5rem; overflow: hidden; }
figure img, .none { display: block; width: 100%; height: 10rem; object-fit: contain; background: var(--line); }
.none { display: grid; place-items: center; color: var(--soft); }
figcaption { padding: .5rem .75rem .75rem; font-size: .9rem; overflow-wrap: anywhere; }
@media (max-width: 30rem) { .bar { display: none; } th, td { padding: .3rem .4rem; } .gallery { grid-template-columns: repeat(2, 1fr); } }
"""
