# The folio stays in the swap cache: the last entries that `exit` takes from it are device-exclusive,
# and after such an entry nobody tries to free the folio's slots. The oracle swap/given-up counted
# the swap entries before them as the last ones.
thp always
mmap p0 0 8 rw
write p0 0
reclaim p0 0
mmap p0 0 1 none
exclusive d0 p0 6 2
exit p0
