# migration-rcu-anon-vma (dc386d4d1e98): nothing keeps the anon_vma alive from the unmap to the restore when mmap_lock is not held.
mmap p0 4 4 r
migrate p0 7 1 d1
hold p0 7
exit p0
evict d1 0 1
