export interface Column {
  readonly title: string;
  readonly align: "left" | "right";
}

/** A Markdown table that also reads well in a terminal. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map((column, index) =>
    Math.max(3, column.title.length, ...rows.map((row) => (row[index] ?? "").length)),
  );
  const line = (cells: readonly string[]): string => {
    const padded = columns.map((column, index) => {
      const cell = cells[index] ?? "";
      const width = widths[index] ?? 0;
      return column.align === "left" ? cell.padEnd(width) : cell.padStart(width);
    });
    return `| ${padded.join(" | ")} |`;
  };
  const rule = columns.map((column, index) => {
    const dashes = "-".repeat(widths[index] ?? 3);
    return column.align === "left" ? dashes : `${dashes.slice(1)}:`;
  });
  return [line(columns.map((column) => column.title)), line(rule), ...rows.map(line)].join("\n");
}
