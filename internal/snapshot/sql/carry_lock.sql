-- Nobody flushes meanwhile, and nobody else carries over; who reads sees all of
-- it or nothing.
LOCK TABLE projection IN SHARE ROW EXCLUSIVE MODE
