# latent-mixed-order-fallthrough (latent in 7.1.3): a destination takes over mapping and charge
# although its migration was refused.
# hold takes a reference through the migration entry, so the migration is refused. The page is then
# mapped again without a charge.
mmap p0 0 3 rw
migrate p0 2 1 d0
read p0 2
setup p0 0 3 d0 to-dev
hold p0 2
