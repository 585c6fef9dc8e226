# A page moves within an mlocked VMA, and its range grows to two pages. The move replaces the zero
# page at the destination, and the page behind it is populated with the zero page. The oracle
# mistook that for a move of the zero page.
mmap p0 0 3 r
read p0 2
mlock p0 1 3 on
mremap p0 1 1 2 2 fixed
