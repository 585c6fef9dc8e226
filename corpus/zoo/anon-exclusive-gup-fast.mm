# anon-exclusive-gup-fast (088b8aa537c2): PageAnonExclusive is cleared before the test for pins.
mmap p0 0 1 r
migrate p0 0 1 d0
pin p0 0 r
migrate p0 0 1 d0
