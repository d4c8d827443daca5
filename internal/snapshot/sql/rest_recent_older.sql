-- Whether no push id is stored in a row that was written before.
SELECT NOT EXISTS (SELECT FROM recent_pushes WHERE partition = $1 AND next <= $2)
