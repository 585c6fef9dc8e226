# latent-zero-page-uffdwp-device (not fixed in 7.3.4: migrate_vma_insert_page): the zero page loses
# its uffd-wp bit when it is migrated to a device.
# The device page that replaces it is writable.
mmap p0 0 1 rw
uffd-register p0 0 1
read p0 0
uffd-wp p0 0 1 on
migrate p0 0 1 d0
