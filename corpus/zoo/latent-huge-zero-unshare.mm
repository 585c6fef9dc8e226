# latent-huge-zero-unshare (7.3.4 has it): a long-term pin replaces a write-protected huge zero page
# by a writable huge page without uffd-wp.
thp always
mmap p0 0 8 rw
uffd-register p0 0 8
read p0 0
uffd-wp p0 0 8 on
pin-longterm p0 0 r
