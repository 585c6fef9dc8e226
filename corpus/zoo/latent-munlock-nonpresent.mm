# latent-munlock-nonpresent: the page is on a device when its area is unlocked, and is freed as a mlocked page.
mmap p0 0 1 rw
mlock p0 0 1 on
migrate p0 0 1 d0
mlock p0 0 1 off
