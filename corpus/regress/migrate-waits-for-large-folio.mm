# On Linux 7.3.4, the migration waits for the lock of a large folio that is mapped page by page
# (latent-split-folio-lock). The model skips the rest of the page table.
thp always
mmap p0 0 8 rw
exclusive d0 p0 0 1
lock p0 0
migrate p0 0 2 d0
