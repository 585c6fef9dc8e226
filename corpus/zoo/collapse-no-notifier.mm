# collapse-no-notifier (f268f6cf875f): entries are removed without telling the mmu notifier (here: zap_page_range).
mmap p0 6 1 r
dev-read d0 p0 6
munmap p0 2 5
