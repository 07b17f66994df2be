# SPDX-License-Identifier: MIT
#
# The plots of report: dir has the data, docs gets the pictures.
set terminal svg size 720,400 font "sans,13" background "white"
set grid
set key top right

set logscale x 2
set yrange [0:*]
set xlabel "bytes"
set ylabel "times TCP's speed"
set output docs."/rtt.svg"
set title "A message and its echo over loopback"
plot dir."/rtt.inet" using 1:2:3:4 with yerrorlines lw 2 title "SMC-D, this project", \
	dir."/rtt.stock-lo" using 1:2:3:4 with yerrorlines lw 1 title "SMC-D, mainline", \
	1 lc "gray" title "TCP"
set output docs."/stream.svg"
set title "A stream over loopback, bytes in each send()"
plot dir."/stream.inet" using 1:2:3:4 with yerrorlines lw 2 title "SMC-D, this project", \
	dir."/stream.stock-lo" using 1:2:3:4 with yerrorlines lw 1 title "SMC-D, mainline", \
	1 lc "gray" title "TCP"
set logscale x 10
set xlabel "connections"
set output docs."/among.svg"
set title "A byte and its echo on each of many connections in turn"
plot dir."/among.inet" using 1:2:3:4 with yerrorlines lw 2 title "SMC-D, this project", \
	dir."/among.stock-lo" using 1:2:3:4 with yerrorlines lw 1 title "SMC-D, mainline", \
	1 lc "gray" title "TCP"
unset logscale x
set output docs."/rules.svg"
set title "connect() with rules: what it takes more than without"
set xlabel "rules"
set ylabel "times that of 10 rules"
plot dir."/rules" using 1:2 with linespoints lw 2 notitle
set output docs."/cycle.svg"
set title "A connection: connect, one byte, its echo, close"
set style data histogram
set style fill solid 0.7
set boxwidth 0.8 relative
set xlabel "listener-client"
set ylabel "times TCP's time"
set xtics rotate by -20
plot dir."/cycle.inet" using 2:xtic(1) title "this project's module", 1 lc "gray" title "TCP"
