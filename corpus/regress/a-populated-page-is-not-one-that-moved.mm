# A move into a locked area that grows: the zero page goes from the destination and comes up in the page behind it. That was taken for a move.
mmap p0 0 3 r
read p0 2
mlock p0 1 3 on
mremap p0 1 1 2 2 fixed
