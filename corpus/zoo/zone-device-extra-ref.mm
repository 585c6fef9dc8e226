# zone-device-extra-ref (27674ef6c73f): migrate_vma_check_page still allows a device page the extra
# reference that idle device pages had until 5.18.
# Somebody holds the device page, and the write unmaps it for migration nevertheless.
mmap p0 0 3 rw
migrate p0 2 1 d0
hold p0 2
write p0 2
