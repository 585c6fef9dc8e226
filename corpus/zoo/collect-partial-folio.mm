# collect-partial-folio (022a12deda53): migrate_vma_collect takes single pages of a large folio.
thp always
mmap p0 0 8 rw
write p0 0
dontneed p0 0 1
migrate p0 0 8 d0
