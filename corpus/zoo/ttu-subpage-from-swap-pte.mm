# ttu-subpage-from-swap-pte (1de13ee59225): try_to_migrate_one takes the subpage from the present-format pfn of a device-private entry.
mmap p0 0 1 r
migrate p0 0 1 d0
evict d0 0 1
