# latent-mremap-uffd-neighbour: a registered page moves beside another one, which is registered no longer.
mmap p0 0 3 none
uffd-register p0 0 3
mremap p0 0 1 1 1 fixed
