# latent-pmd-trylock-livelock (7.3.4 has it): a fault on a huge device page retries at once if the
# folio is locked.
thp always
mmap p0 0 8 rw
write p0 0
migrate p0 0 8 d0
lock p0 0
read p0 0
