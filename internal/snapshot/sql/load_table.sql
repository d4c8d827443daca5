-- Which table projection is: it names no partition.
SELECT 'projection'::regclass::oid
