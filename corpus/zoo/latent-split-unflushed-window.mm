# latent-split-unflushed-window (latent): as collect-tlb-outside-ptl, of a page that is shared.
threads 2
preempt 8 t0
mmap p0 0 1 rw
write p0 0
fork p0
read p0 0
migrate p0 0 1 d0
