-- Every statement of a flush finds its rows by a probe of a primary key for each.
-- Left to itself the planner turns that round while statistics lag behind a
-- table, and reads the whole partition for each row that it was given. So the
-- statements look rows up in a LATERAL that is not to be merged into the join
-- (OFFSET 0), write them by ctid, and no other way is open until the transaction
-- ends.
SELECT set_config('enable_seqscan', 'off', true),
    set_config('enable_hashjoin', 'off', true),
    set_config('enable_mergejoin', 'off', true)
