# latent-mremap-uffd-neighbour: a registered area without pages moves beside another one, which loses its protection.
mmap p0 0 1 rw
mmap p0 8 1 rw
uffd-register p0 0 12
write p0 0
uffd-wp p0 0 1 on
mremap p0 8 1 1 1 fixed
write p0 0
