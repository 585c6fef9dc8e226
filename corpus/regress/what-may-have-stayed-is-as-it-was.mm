# A gap moved onto a page, which stayed: the reference model took the mark of the gap for that of the page.
mremap p0 2 2 0 2 fixed
dontfork p0 0 2 on
mmap p0 0 1 none
mmap p0 4 1 none
mremap p0 0 2 3 2 fixed
fork p0
