# latent-split-folio-lock (7.3.4 has it): a migration that has locked a page sleeps for the lock of
# a large folio that it must split. Two such migrations can wait for each other for ever.
thp always
mmap p0 0 16 rw
write p0 4
write p0 8
mremap p0 0 16 20 16 fixed
lock p0 28
migrate p0 24 8 d0
