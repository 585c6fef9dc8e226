# insert-huge-pgtable-leak (2c6f81d58741): the page table for a huge device page is lost if the page
# cannot be inserted.
thp always
mmap p0 0 8 rw
setup p0 0 8 d0 to-dev
write p0 0
pages m0
