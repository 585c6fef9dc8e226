# swapfault-trylock-livelock (b570f37a2ce4): do_swap_page retries at once when the device page is locked.
mmap p0 4 1 r
migrate p0 4 1 d0
lock p0 4
read p0 4
