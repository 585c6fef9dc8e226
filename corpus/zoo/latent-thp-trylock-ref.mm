# latent-thp-trylock-ref (a30b48bf1b24, whose message does not mention the bug): migrate_vma_collect
# keeps its reference if the trylock fails (here at the lowest level).
# A third party holds the folio lock.
mmap p0 0 1 rw
get p0 0 w
lock p0 0
migrate p0 0 1 d0
