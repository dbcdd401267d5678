"""Charts of nets: which accuracy at what cost, as the bubble chart of Canziani et al. 2016 shows it, and where a net's costs lie along its depth.

protocols.py   how an error was measured; two that differ are not one axis
nets.py        a net with its costs and what is reported of it; its stages along the depth
measured.py    times and energy, as `archc bench --format json` wrote them
selection.py   which protocol a chart shows, its points, and what it leaves out, with the reason
tables.py      the same as rows: for a terminal, Markdown, csv and JSON
bubbles.py  labels.py  bars.py  style.py     the drawings; matplotlib has its only home here, and loads when one is drawn
files.py  page.py                            a drawing as svg, png, or a page with its table
"""
