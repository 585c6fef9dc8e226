# hugezero-wp-no-flush: replacing the huge zero page flushes nothing.
thp always
mmap p0 0 8 rw
read p0 0
write p0 1
