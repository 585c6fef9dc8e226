# pgmap-ref-on-alloc (0dc45ca1ce18): a live device page holds no reference to its pagemap.
# One page migrates to the device.
mmap p0 5 1 r
migrate p0 5 1 d0
