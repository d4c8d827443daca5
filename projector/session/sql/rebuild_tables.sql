-- The tables of a schema, without the one of the migrations. projection first:
-- whoever reads or writes the others has asked for it before.
SELECT tablename
FROM pg_tables
WHERE schemaname = $1 AND tablename <> $2
ORDER BY tablename <> 'projection', tablename
