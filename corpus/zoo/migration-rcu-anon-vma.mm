# migration-rcu-anon-vma (dc386d4d1e98): without mmap_lock, nothing keeps the anon_vma alive between
# unmap and restore (here: migrate_device_range).
# The process exits while somebody holds its device page. The eviction then walks an anon_vma that
# was freed.
mmap p0 4 4 r
migrate p0 7 1 d1
hold p0 7
exit p0
evict d1 0 1
