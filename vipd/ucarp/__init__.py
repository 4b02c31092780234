"""vipd-ucarp: ucarp's command line for one VIP without files, on vipd's engine."""
