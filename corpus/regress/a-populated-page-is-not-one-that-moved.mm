# mremap moves page 1 of an mlocked VMA to page 2, and grows the range to two pages. The move
# replaces the zero page at page 2. Then page 3 is populated, with the zero page. The oracle mistook
# this for a move of the zero page from page 2 to page 3.
mmap p0 0 3 r
read p0 2
mlock p0 1 3 on
mremap p0 1 1 2 2 fixed
