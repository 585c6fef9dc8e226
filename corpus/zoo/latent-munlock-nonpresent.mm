# latent-munlock-nonpresent (latent in 6.12.117): munlock skips a page that a device has, so the
# page stays mlocked for good.
# The mlocked page migrates to the device before munlock.
mmap p0 0 1 rw
mlock p0 0 1 on
migrate p0 0 1 d0
mlock p0 0 1 off
