# The zero page stays mapped if its migration fails because the device page, the anon_vma or its
# link cannot be allocated, or because the driver skips the page. A write that replaces the zero
# page between the phases makes the migration fail, too. A reference from get or pin does not keep
# the zero page from migrating.
mmap p0 0 4 rw
read p0 0
read p0 1
fail device-page 1
migrate p0 0 1 d0
fail anon-vma 1
migrate p0 0 1 d0
fail avc 1
migrate p0 0 1 d0
migrate p0 0 2 d0 skip=0x01
setup p0 0 2 d0 to-dev
write p0 0 # replaces the zero page between the phases
pages m0
finalize m0
read p0 0
read p0 1
get p0 2 r # gets the zero page
pin p0 2 r
migrate p0 2 1 d0
read p0 2
put r0
put r1
