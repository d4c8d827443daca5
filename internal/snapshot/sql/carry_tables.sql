-- The tables with rows of users.
SELECT table_name::text
FROM information_schema.columns
WHERE table_schema = current_schema() AND column_name IN ('partition', 'app', 'user_name')
GROUP BY 1
HAVING count(*) = 3
ORDER BY 1
