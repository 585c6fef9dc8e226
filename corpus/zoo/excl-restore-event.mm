# excl-restore-event (series of 9a914592140e): the end of exclusivity is announced like its beginning, on behalf of the driver that ignores that.
mmap p0 0 1 rw
exclusive d0 p0 0 1
read p0 0
