-- Every join of a flush is a probe of a primary key for each row that it names.
-- Statistics that lag behind a table must not make it a scan of the table: that
-- is ruled out until the transaction ends.
SELECT set_config('enable_seqscan', 'off', true),
    set_config('enable_hashjoin', 'off', true),
    set_config('enable_mergejoin', 'off', true)
