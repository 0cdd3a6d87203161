# Evaluates a Homebrew formula as far as podid's needs it, and installs from a local archive: formula.rb FORMULA ARCHIVE FOLDER PREFIX
require "digest"
require "fileutils"
require "tmpdir"

FORMULA, ARCHIVE, FOLDER, PREFIX = ARGV

# Where a kind of file goes; `install "file" => "name"` renames it.
class Place
  def initialize(path)
    @path = File.join(PREFIX, path)
  end

  def install(*files)
    FileUtils.mkdir_p(@path)
    files.flatten.each do |file|
      file = { file => File.basename(file) } unless file.is_a?(Hash)
      file.each { |from, to| FileUtils.cp(from, File.join(@path, to)) }
    end
  end

  def to_s = @path
end

class Formula
  class << self
    attr_reader :archives

    def desc(text) = (raise "desc: #{text.length} characters" if text.length > 80 || text.start_with?("A ") || text.end_with?("."))
    def homepage(url) = (raise url unless url.start_with?("https://"))
    def version(text = nil) = text ? @version = text : @version
    def license(_names) = nil
    def test = nil

    # Each system and processor is read, whichever this is.
    %i[on_macos on_linux on_arm on_intel].each { |name| define_method(name) { |&block| block.call } }

    def url(url) = (@archives ||= []) << [url, nil]
    def sha256(digest) = @archives.last[1] = digest
  end

  def version = self.class.version
  def bin = Place.new("bin")
  def man1 = Place.new("share/man/man1")
  def bash_completion = Place.new("share/bash-completion/completions")
  def zsh_completion = Place.new("share/zsh/site-functions")
  def fish_completion = Place.new("share/fish/vendor_completions.d")
end

load FORMULA
url, digest = Podid.archives.find { |url, _| url.end_with?("/v#{Podid.version}/#{ARCHIVE}") } || raise("no url for #{ARCHIVE}")
file = File.join(FOLDER, ARCHIVE)
raise "#{url} has another checksum" unless Digest::SHA256.file(file).hexdigest == digest

Dir.mktmpdir do |place|
  system("tar", "-xzf", file, "-C", place, exception: true)
  # Homebrew enters the only folder of an archive.
  Dir.chdir(Dir.glob(File.join(place, "*")).first) { Podid.new.install }
end
[["bin/podid", "binary"], ["share/man/man1/podid.1", "page"], ["share/bash-completion/completions/podid", "completion"],
 ["share/zsh/site-functions/_podid", "completion"], ["share/fish/vendor_completions.d/podid.fish", "completion"]].each do |path, what|
  raise "the #{what} #{path} is missing" unless File.exist?(File.join(PREFIX, path))
end
