# swapfault-trylock-livelock (b570f37a2ce4): do_swap_page retries at once if the device page is
# locked.
# A third party holds the folio lock, so the read retries without end.
mmap p0 4 1 r
migrate p0 4 1 d0
lock p0 4
read p0 4
