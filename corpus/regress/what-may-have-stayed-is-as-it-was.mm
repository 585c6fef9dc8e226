# A gap moves onto a page, and the page stays as it was. The reference model gave the page the mark
# of the gap (MADV_DONTFORK).
mremap p0 2 2 0 2 fixed
dontfork p0 0 2 on
mmap p0 0 1 none
mmap p0 4 1 none
mremap p0 0 2 3 2 fixed
fork p0
