# zeropage-remap-mlocked (rule of try_to_map_unused_to_zeropage): the split of a folio maps the
# shared zero page in an mlocked VMA.
thp always
mmap p0 0 8 rw
write p0 0
mlock p0 0 8 on
migrate p0 0 1 d0
