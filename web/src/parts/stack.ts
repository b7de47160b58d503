// Series on top of each other: each as the sum of itself and those before it. Nothing counts as 0.
export function stacked(rows: (number | null)[][]): number[][] {
    const sums: number[] = [];
    return rows.map((row) => row.map((value, place) => (sums[place] = (sums[place] ?? 0) + (value ?? 0))));
}
