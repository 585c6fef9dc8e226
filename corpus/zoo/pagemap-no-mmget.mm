# Between the tables of pages 7 and 8 the reader has no lock, and the process exits.
threads 2
preempt 1 t1
pagemap p0 7 2
t1: exit p0
