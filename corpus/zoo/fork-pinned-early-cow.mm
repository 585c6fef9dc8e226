# fork-pinned-early-cow (70e806e4e645): fork shares a pinned page, and the next write copies it away from the pin.
mmap p0 0 1 rw
pin p0 0 w
fork p0
