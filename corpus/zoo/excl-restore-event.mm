# excl-restore-event (series of 9a914592140e): the invalidation that ends exclusivity names the
# driver as owner, like the one that began it, so the driver ignores it.
# The CPU reads the page, and the device still maps it for atomic access.
mmap p0 0 1 rw
exclusive d0 p0 0 1
read p0 0
