<?php
/*
 * The site's connection to its database: PHP through PDO, a statement at a time.
 *
 *   site.php DATABASE
 *
 * Each line of input is {"sql", "values"}; each is answered by one line, {"rows"} or {"error"}.
 */

$db = new PDO("sqlite:{$argv[1]}", null, null, [
    PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
    PDO::ATTR_TIMEOUT => 60,
]);

function answer(PDO $db, array $asked): array
{
    $statement = $db->prepare($asked['sql']);
    foreach ($asked['values'] as $index => $value) {
        $type = match (true) {
            $value === null => PDO::PARAM_NULL,
            is_int($value) => PDO::PARAM_INT,
            default => PDO::PARAM_STR,
        };
        $statement->bindValue($index + 1, $value, $type);
    }
    $statement->execute();
    // An object even where a row has no column that PHP would not take for a list.
    return array_map(fn ($row) => (object) $row, $statement->fetchAll(PDO::FETCH_ASSOC));
}

while (($line = fgets(STDIN)) !== false) {
    try {
        $said = ['rows' => answer($db, json_decode($line, true, 16, JSON_THROW_ON_ERROR))];
    } catch (PDOException $error) {
        $said = ['error' => $error->getMessage()];
    }
    echo json_encode($said, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE), "\n";
}
